// Package config reads a workspace's config.yaml and looks, before anything
// starts, whether the workspace can work where it is.
package config
