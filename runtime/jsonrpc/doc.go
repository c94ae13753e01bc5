// Package jsonrpc speaks A2A over HTTP, versions 0.3 and 1.0 on one path.
package jsonrpc
