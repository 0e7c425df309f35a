// Command websocket serves the WebSocket alone, for a push tier behind a balancer.
package main

import (
	_ "embed"

	"iotmon/internal/app/command"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	program := command.Program{Service: config.WebSocket, Help: help}
	command.Main(program.Run)
}
