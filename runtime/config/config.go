package config

import "time"

// FileName is the name of the configuration file inside the config directory.
const FileName = "config.yaml"

// DefaultPort is the TCP port a workspace listens on when a2a.port is not set.
const DefaultPort = 8000

// DefaultModel is the model of a workspace for which nobody chose one: neither
// MODEL_PROVIDER nor model nor runtime_config.model is set.
const DefaultModel = "anthropic:claude-opus-4-7"

// Config is the content of one config.yaml, typed and completed with defaults.
// It is a plain value: [Load] and [Parse] build it, nothing changes it
// afterwards, and reading it from several goroutines is safe.
//
// Values may be secrets (a webhook URL, a key in runtime_config). Printing a
// Config, in any verb, through slog or as JSON, shows a summary without them.
type Config struct {
	// Dir is the config directory, empty after Parse.
	Dir string
	// File is the path of the file that was read, empty when there was none.
	File string

	// Name is shown to people and on the agent card. Default "Workspace".
	Name string
	// Description is one sentence for the agent card.
	Description string
	// Role says what the workspace is for. Readers fall back to Description.
	Role string
	// Version is the version of the workspace's content. Default "1.0.0".
	Version string
	// Tier is the platform's isolation class, 1 to 4. Default 1.
	Tier int

	// Model is the model in effect, see the package comment for how it is
	// chosen. ModelSource says which setting chose it: "MODEL_PROVIDER",
	// "model", "runtime_config.model" or "default".
	Model       string
	ModelSource string
	// Provider is the model's provider when somebody named one: MODEL_PROVIDER
	// with a provider's name, else runtime_config.provider. Often empty.
	Provider string

	// Runtime is the adapter the configuration was written for. Default
	// "langgraph", as in configurations of the Python package.
	Runtime string
	// RuntimeConfig holds what the library reads of runtime_config, and the
	// whole section as it was written. See [Config.DecodeRuntime].
	RuntimeConfig RuntimeConfig

	// InitialPrompt is sent once in a workspace's life; the text of
	// InitialPromptFile when there is no inline one.
	InitialPrompt     string
	InitialPromptFile string
	// IdlePrompt is sent when nothing has happened for IdleInterval; the text
	// of IdlePromptFile when there is no inline one.
	IdlePrompt     string
	IdlePromptFile string
	// IdleInterval defaults to ten minutes.
	IdleInterval time.Duration

	Skills        []string // directories below skills/
	Plugins       []string // names of plugins
	Tools         []string // names of tools
	PromptFiles   []string // files of the system prompt; none means system-prompt.md
	SharedContext []string // files children of this workspace may read

	A2A          A2A
	Delegation   Delegation
	Sandbox      Sandbox
	RBAC         RBAC
	HITL         HITL
	Governance   Governance
	SecurityScan SecurityScan
	Compliance   Compliance

	// SubWorkspaces are passed on as they were written.
	SubWorkspaces []Raw

	// Effort is low, medium, high, xhigh, max or empty: how long a model may
	// think. TaskBudget is a number of tokens, 0 for none. Both are for the
	// agent to honour.
	Effort     string
	TaskBudget int

	keys map[string]position // of every key the file sets to something
	name string              // what problems call the file
}

// RuntimeConfig is the part of runtime_config that every adapter shares.
type RuntimeConfig struct {
	// Command is the agent's program, Args its fixed arguments.
	Command string
	Args    []string
	// RequiredEnv names the environment variables without which the agent
	// cannot work. An entry of the form "A|B" asks for any one of them.
	RequiredEnv []string
	// Timeout of one turn; 0 means none.
	Timeout time.Duration
	// Model as written here. [Config.Model] is the one in effect.
	Model string
	// AuthTokenEnv and AuthTokenFile are deprecated: use RequiredEnv.
	AuthTokenEnv  string
	AuthTokenFile string

	// Raw is the whole section, with the adapter's own keys.
	Raw Raw
}

// A2A says how the workspace is spoken to.
type A2A struct {
	Port              int  // TCP port, default 8000
	Streaming         bool // default true
	PushNotifications bool // default true
}

// Delegation says how work is handed to peers.
type Delegation struct {
	RetryAttempts int           // default 3
	RetryDelay    time.Duration // default 5 s
	Timeout       time.Duration // default 120 s
	Escalate      bool          // default true
}

// Sandbox says where code written by the agent runs.
type Sandbox struct {
	Backend     string        // subprocess (default), docker or e2b
	MemoryLimit string        // as Docker writes it, default "256m"
	Timeout     time.Duration // default 30 s
}

// RBAC says what the workspace may do.
type RBAC struct {
	Roles          []string            // default [operator]
	AllowedActions map[string][]string // role -> its complete list of actions
}

// HITL says how a human is asked.
type HITL struct {
	Channels       []Channel     // default one of type dashboard
	DefaultTimeout time.Duration // default 300 s
	BypassRoles    []string      // roles that need not ask
}

// Channel is one way to reach a human.
type Channel struct {
	Type string // dashboard, slack or email
	// Raw is the whole entry with the options of its type. It often holds
	// secrets: a webhook URL, a mail password.
	Raw Raw
}

// Governance says which policy engine is asked.
type Governance struct {
	Enabled             bool   // default false
	Toolkit             string // default "microsoft"
	PolicyEndpoint      string // http or https URL
	PolicyMode          string // audit (default), permissive or strict
	PolicyFile          string // .rego, .yaml, .yml or .cedar
	BlockedPatterns     []string
	MaxToolCallsPerTask int // default 50
}

// SecurityScan says what happens to skills with known vulnerabilities.
type SecurityScan struct {
	Mode                string // off, warn (default) or block
	FailOpenIfNoScanner bool   // default true
}

// Compliance says which checks run on text and tool calls.
type Compliance struct {
	Mode                string        // owasp_agentic (default), or empty: off
	PromptInjection     string        // detect (default) or block
	MaxToolCallsPerTask int           // default 50
	MaxTaskDuration     time.Duration // default 300 s
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Name:         "Workspace",
		Version:      "1.0.0",
		Tier:         1,
		Model:        DefaultModel,
		ModelSource:  "default",
		Runtime:      "langgraph",
		IdleInterval: 10 * time.Minute,
		A2A:          A2A{Port: DefaultPort, Streaming: true, PushNotifications: true},
		Delegation:   Delegation{RetryAttempts: 3, RetryDelay: 5 * time.Second, Timeout: 2 * time.Minute, Escalate: true},
		Sandbox:      Sandbox{Backend: "subprocess", MemoryLimit: "256m", Timeout: 30 * time.Second},
		RBAC:         RBAC{Roles: []string{"operator"}},
		HITL:         HITL{Channels: []Channel{{Type: "dashboard"}}, DefaultTimeout: 5 * time.Minute},
		Governance:   Governance{Toolkit: "microsoft", PolicyMode: "audit", MaxToolCallsPerTask: 50},
		SecurityScan: SecurityScan{Mode: "warn", FailOpenIfNoScanner: true},
		Compliance: Compliance{
			Mode:                "owasp_agentic",
			PromptInjection:     "detect",
			MaxToolCallsPerTask: 50,
			MaxTaskDuration:     5 * time.Minute,
		},
	}
}

// Has says whether the file sets the key, written with dots ("a2a.port"), to
// anything but null.
func (c *Config) Has(key string) bool {
	_, ok := c.keys[key]
	return ok
}

// DecodeRuntime decodes the whole section runtime_config into v, a pointer to
// the adapter's own struct with `yaml` tags. Keys that v does not have are left
// alone; ask [Config.UnknownRuntimeKeys] which those are. Without the section v
// keeps what it holds. The error names line and field, never a value.
func (c *Config) DecodeRuntime(v any) error {
	return c.RuntimeConfig.Raw.Decode(v)
}
