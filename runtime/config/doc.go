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
// # Rules
//
//   - A missing or empty file is all defaults; a missing one is a warning.
//   - null means the default, for every key and section.
//   - Unknown keys are warnings, with the key they look like. Keys of the
//     platform's templates that other programs read are known.
//   - Values of the wrong type or out of range are errors. A text may be written
//     as a number (version: 1.0); a list must be a list.
//   - Texts that could be secrets are never part of a problem.
//
// # Keys
//
//	name, description, role, version      texts; "Workspace", "", "", "1.0.0"
//	tier                                  1 to 4; 1
//	model                                 see below
//	runtime                               the adapter's name; "langgraph"
//	runtime_config                        command, args, required_env, timeout (s),
//	                                      model, auth_token_env, auth_token_file
//	                                      (both deprecated), and the adapter's own
//	initial_prompt, initial_prompt_file   inline wins; the file is inside the
//	idle_prompt, idle_prompt_file         config directory
//	idle_interval_seconds                 600
//	skills, plugins, tools,               lists of texts
//	prompt_files, shared_context
//	a2a                                   port 8000, streaming true,
//	                                      push_notifications true
//	delegation                            retry_attempts 3, retry_delay 5,
//	                                      timeout 120, escalate true
//	sandbox                               backend subprocess | docker | e2b,
//	                                      memory_limit 256m, timeout 30
//	rbac                                  roles [operator], allowed_actions
//	hitl                                  channels [{type: dashboard}],
//	                                      default_timeout 300, bypass_roles
//	governance                            enabled false, toolkit microsoft,
//	                                      policy_endpoint, policy_mode audit |
//	                                      permissive | strict, policy_file,
//	                                      blocked_patterns,
//	                                      max_tool_calls_per_task 50
//	security_scan                         off | warn | block alone, or mode and
//	                                      fail_open_if_no_scanner true
//	compliance                            mode owasp_agentic or "" for off,
//	                                      prompt_injection detect | block,
//	                                      max_tool_calls_per_task 50,
//	                                      max_task_duration_seconds 300
//	sub_workspaces                        a list of maps, passed on
//	effort                                low | medium | high | xhigh | max
//	task_budget                           tokens: 0, or at least 20000
//
// # Model
//
// The model is, in this order: MODEL_PROVIDER, model, runtime_config.model,
// [DefaultModel]. Some templates use MODEL_PROVIDER for what its name says; the
// bare name of a known provider there is [Config.Provider] and leaves the model
// alone.
//
// # Required variables
//
// An entry of required_env is a variable that must be set, or several of which
// one must be: ANTHROPIC_API_KEY|CLAUDE_CODE_OAUTH_TOKEN.
package config
