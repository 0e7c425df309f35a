// Command web serves the dashboard, the APIs and the WebSocket.
package main

import (
	_ "embed"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	command := app.Command{Service: config.Web, Help: help}
	app.Main(command.Run)
}
