// Package task runs turns and keeps the A2A tasks they make.
package task
