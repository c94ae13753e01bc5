// Package workspaceruntime is the front door of the module; the code lives in
// the packages below it.
package workspaceruntime
