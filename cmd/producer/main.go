// Command producer sends the readings of a simulated fleet to Kafka, and accepts those of real devices over HTTP.
package main

import (
	_ "embed"

	"iotmon/internal/app/command"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	program := command.Program{Service: config.Producer, Help: help}
	command.Main(program.Run)
}
