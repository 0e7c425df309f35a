// Command consumer turns readings into windows, alerts and device states, and archives everything in PostgreSQL.
package main

import (
	_ "embed"

	"iotmon/internal/app/command"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	program := command.Program{Service: config.Consumer, Help: help}
	command.Main(program.Run)
}
