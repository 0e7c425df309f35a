// Command websocket serves the WebSocket alone, for a push tier behind a balancer.
package main

import (
	_ "embed"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	command := app.Command{Service: config.WebSocket, Help: help}
	app.Main(command.Run)
}
