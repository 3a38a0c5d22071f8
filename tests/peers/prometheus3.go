//go:build tools

// Package tools names the program, so that its modules are found.
package tools

import _ "github.com/prometheus/prometheus/cmd/prometheus"
