package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// providers are names that MODEL_PROVIDER may hold although it is the model's
// variable: some templates use it, as it says, for the provider.
var providers = []string{
	"anthropic", "azure", "bedrock", "cerebras", "cohere", "deepseek", "fireworks", "gemini", "google",
	"google_genai", "groq", "minimax", "mistral", "moonshot", "ollama", "openai", "openrouter", "qianfan",
	"together", "vertex", "vertexai", "xai", "zai",
}

// chooseModel decides which model and provider are in effect; the package
// comment has the order.
func (c *Config) chooseModel(r *reader, getenv func(string) string) {
	const env, top, own = "MODEL_PROVIDER", "model", "runtime_config.model"

	written := strings.TrimSpace(c.Model)
	c.Model, c.ModelSource = DefaultModel, "default"
	section := strings.TrimSpace(c.RuntimeConfig.Model)
	if section != "" {
		c.Model, c.ModelSource = section, own
	}
	if written != "" {
		c.Model, c.ModelSource = written, top
		if section != "" && section != written {
			r.warnOf(own, "differs from model, which wins", "write the model once")
		}
	}
	c.Provider = c.ownProvider()

	v := strings.TrimSpace(getenv(env))
	switch name := strings.ToLower(v); {
	case v == "":
	case slices.Contains(providers, name) || name == strings.ToLower(c.Provider):
		c.Provider = name
		if c.ModelSource == "default" && !strings.HasPrefix(DefaultModel, name+":") {
			r.add(Problem{
				Severity: Warning, Key: env,
				Message: "names a provider, and no model is set, so the model is the default one of another provider",
				Fix:     "set model in the file, or MODEL_PROVIDER to PROVIDER:MODEL",
			})
		}
	default:
		c.Model, c.ModelSource = v, env
	}
}

// ownProvider is runtime_config.provider, a key of adapters that is common
// enough to be read here.
func (c *Config) ownProvider() string {
	if c.RuntimeConfig.Raw.IsZero() {
		return ""
	}
	n := c.RuntimeConfig.Raw.node
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := deref(n.Content[i+1])
		if deref(n.Content[i]).Value == "provider" && value.Kind == yaml.ScalarNode && !isNull(value) {
			return strings.TrimSpace(value.Value)
		}
	}
	return ""
}

// modelEnv is what runtime_config.models, the template's list for the
// platform's user interface, asks for the model in effect. Whatever else that
// list may look like is left alone: it is not ours.
func (c *Config) modelEnv() []string {
	var section struct {
		Models []struct {
			ID          string   `yaml:"id"`
			RequiredEnv []string `yaml:"required_env"`
		} `yaml:"models"`
	}
	if c.RuntimeConfig.Raw.Decode(&section) != nil {
		return nil
	}
	var all []string
	for _, m := range section.Models {
		if m.ID != c.Model {
			continue
		}
		for _, entry := range m.RequiredEnv {
			if !slices.ContainsFunc(alternatives(entry), func(v string) bool { return !variable.MatchString(v) }) {
				all = append(all, entry)
			}
		}
	}
	return all
}
