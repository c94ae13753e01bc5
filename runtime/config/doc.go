// Package config reads a workspace's config.yaml and looks, before anything
// starts, whether the workspace can work where it is.
//
//	cfg, report, err := config.Load("/configs", os.Getenv)
//	fmt.Print(report) // every problem at once, with line, column and remedy
//	if err != nil {
//		return err // there was an error among them
//	}
//	var mine struct{ Temperature float64 }
//	err = cfg.DecodeRuntime(&mine) // the adapter's own keys of runtime_config
//
// A [Config] is a value that nothing changes after [Load] or [Parse] has made
// it. Nothing here is global and no goroutine is started, so that any number of
// workspaces can read theirs in one process.
//
// # Rules
//
//   - A missing or empty file is all defaults; a missing one is a warning, since
//     the platform may write it after the workspace has started.
//   - null means the default, for every key, section and entry.
//   - Values of the wrong type or out of range are errors, and leave the default.
//     All are reported, and the Config is usable beside the error, so that
//     [Preflight] can say in the same breath what else is wrong.
//   - A text may be written as a number, a date or a boolean and is then the
//     text as written: version: 1.0 is "1.0", description: no is "no". A number
//     may stand in quotes. A boolean may also be yes, no, on or off. Times are
//     numbers of seconds.
//   - A list must be a list: a text alone is not one.
//   - Nothing is expanded: $NAME is those five letters. Secrets belong into the
//     environment, see Required variables.
//   - Unknown keys are warnings, with the key they look like. Keys that the
//     platform's templates have for other programs (models, providers, bridge,
//     memory, env) are left alone, and so are those under runtime_config, which
//     belong to the adapter; [Config.UnknownRuntimeKeys] checks them.
//   - A key with which the file asks for more than its default, and which
//     nothing in this version of the library acts on, is a warning: it is marked
//     with a star below. The adapter finds it in the Config all the same.
//   - A second document, a key set twice, a foreign tag, an anchor that contains
//     itself, aliases that make more than 100,000 values, more than 64 levels,
//     more than 1 MiB, control characters and anything but UTF-8 are errors.
//   - Values are never quoted in a problem, an error or a log, except numbers
//     where a number belongs: any other might be a secret.
//
// # Keys
//
//	key                                   type      default
//	name                                  text      Workspace
//	description                           text
//	role                                  text
//	version                               text      1.0.0
//	tier                                  1 to 4    1
//	model                                 text      see Model
//	runtime                               text      langgraph; the adapter's name
//	runtime_config.command                text
//	runtime_config.args                   texts
//	runtime_config.required_env           texts     see Required variables
//	runtime_config.timeout                seconds   0, which is none
//	runtime_config.model                  text      see Model
//	runtime_config.auth_token_env         text      deprecated: use required_env
//	runtime_config.auth_token_file        text      deprecated: use required_env
//	initial_prompt                      * text
//	initial_prompt_file                 * file      read when there is no initial_prompt
//	idle_prompt                         * text
//	idle_prompt_file                    * file      read when there is no idle_prompt
//	idle_interval_seconds                 seconds   600, at least 1
//	skills                                texts     directories below skills/
//	plugins                             * texts
//	tools                                 texts
//	prompt_files                          files     system-prompt.md
//	shared_context                        texts
//	a2a.port                              1-65535   8000
//	a2a.streaming                       * boolean   true
//	a2a.push_notifications                boolean   true
//	delegation.retry_attempts             0 to 100  3
//	delegation.retry_delay                seconds   5
//	delegation.timeout                    seconds   120
//	delegation.escalate                 * boolean   true
//	sandbox.backend                     * choice    subprocess; docker, e2b
//	sandbox.memory_limit                * size      256m, as Docker writes it
//	sandbox.timeout                     * seconds   30
//	rbac.roles                            texts     [operator]
//	rbac.allowed_actions                  map       role: [delegate, approve,
//	                                                memory.read, memory.write]
//	hitl.channels                       * list      [{type: dashboard}]; slack, email
//	hitl.default_timeout                  seconds   300
//	hitl.bypass_roles                   * texts
//	governance.enabled                  * boolean   false
//	governance.toolkit                  * text      microsoft
//	governance.policy_endpoint          * URL
//	governance.policy_mode              * choice    audit; permissive, strict
//	governance.policy_file              * file      .rego, .yaml, .yml or .cedar
//	governance.blocked_patterns         * texts
//	governance.max_tool_calls_per_task  * integer   50
//	security_scan                       * choice    short for security_scan.mode
//	security_scan.mode                  * choice    warn; off, block
//	security_scan.fail_open_if_no_scanner * boolean true
//	compliance.mode                     * choice    owasp_agentic; "" is off
//	compliance.prompt_injection         * choice    detect; block
//	compliance.max_tool_calls_per_task  * integer   50
//	compliance.max_task_duration_seconds * seconds  300
//	sub_workspaces                      * maps
//	effort                                choice    low, medium, high, xhigh, max
//	task_budget                           tokens    0, which is none; else 20000 or more
//	template_schema_version               integer   1; another is a warning
//
// Files are named relative to the config directory and have to be inside it,
// also when links are followed. A prompt is the file's text without white space
// around it; a file that is missing is a warning and the empty prompt.
//
// # Model
//
// [Config.Model] is, in this order: the variable MODEL_PROVIDER, the key model,
// the key runtime_config.model, [DefaultModel]; [Config.ModelSource] says which.
// Empty is as good as not set. No other variable overrides a key.
//
// MODEL_PROVIDER is where the platform puts the model chosen in its user
// interface. Some templates use it for what its name says: the bare name of a
// known provider there, or that of runtime_config.provider, is taken for
// [Config.Provider] and leaves the model alone.
//
// # Required variables
//
// An entry of runtime_config.required_env names a variable that must be set and
// not empty, or several of which one is enough: ANTHROPIC_API_KEY|CLAUDE_TOKEN.
// The platform, which looks at the list itself when it imports an organisation,
// knows no bars and would miss a variable of that very name; a workspace that is
// made that way names one variable per entry.
//
// # Preflight
//
// [Preflight] finds errors: a required variable that is not set, a deprecated
// auth_token_file that is missing with nothing to make up for it, a port that is
// taken, a config directory that cannot be written to while there is no token,
// prompt files and skills outside of the config directory. And it finds
// warnings: another adapter's name under runtime, no token yet, a variable that
// the chosen model asks for (runtime_config.models), prompt files and skills
// that are missing, skills named twice, a platform that does not answer.
package config
