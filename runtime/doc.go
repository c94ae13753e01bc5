// Package runtime runs a workspace: an agent, served over A2A, registered with
// its platform and kept alive there.
package runtime
