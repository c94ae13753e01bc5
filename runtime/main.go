package runtime

// Main is the main function of an adapter: it runs agent with the settings of
// the environment and opts, until the process is told to stop. It does not
// return.
func Main(agent Agent, opts ...Option) {}
