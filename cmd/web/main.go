// Command web serves the dashboard, the APIs and the WebSocket.
package main

import (
	_ "embed"

	"iotmon/internal/app/command"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	program := command.Program{Service: config.Web, Help: help}
	command.Main(program.Run)
}
