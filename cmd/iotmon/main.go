// Command iotmon runs the whole system in one process: simulated and real readings in, windows and alerts out, with the
// dashboard, the APIs, an embedded Kafka broker and an SQLite archive.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"

	"iotmon/internal/app/command"
	"iotmon/internal/config"
	"iotmon/internal/replay"
)

//go:embed help.txt
var help string

//go:embed bench.txt
var benchHelp string

//go:embed backup.txt
var backupHelp string

//go:embed restore.txt
var restoreHelp string

//go:embed upgrade.txt
var upgradeHelp string

//go:embed notify.txt
var notifyHelp string

//go:embed rules.txt
var rulesHelp string

//go:embed sources.txt
var sourcesHelp string

func main() { command.Main(run) }

// run runs the command that the arguments name and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "help":
		return showHelp(ctx, args[1:], stdout, stderr)
	case "replay":
		return replay.Command(ctx, args[1:], stdout, stderr)
	case "bench":
		return command.Bench(ctx, args[1:], benchHelp, stdout, stderr)
	case "backup":
		return command.Backup(ctx, args[1:], backupHelp, stdout, stderr)
	case "restore":
		return command.Restore(ctx, args[1:], restoreHelp, os.Stdin, stdout, stderr)
	case "upgrade":
		return command.Upgrade(ctx, args[1:], upgradeHelp, stdout, stderr)
	case "sources":
		return command.Sources(ctx, args[1:], sourcesHelp, stdout, stderr)
	case "notify":
		return command.Notify(ctx, args[1:], notifyHelp, stdout, stderr)
	case "rules":
		return command.Rules(ctx, args[1:], rulesHelp, os.Stdin, stdout, stderr)
	case command.ViewersCommand:
		return command.BenchViewers(args[1:], stdout, stderr)
	default:
		everything := command.Program{Service: config.Iotmon, Help: help}
		return everything.Run(ctx, args, stdout, stderr)
	}
}

func showHelp(ctx context.Context, topics []string, stdout, stderr io.Writer) int {
	topic := ""
	if len(topics) > 0 {
		topic = topics[0]
	}
	switch topic {
	case "replay":
		return replay.Command(ctx, []string{"-h"}, stdout, stderr)
	case "", "bench", "backup", "restore", "upgrade", "sources", "notify", "rules":
		fmt.Fprint(stdout, map[string]string{
			"": help, "bench": benchHelp, "backup": backupHelp, "restore": restoreHelp, "upgrade": upgradeHelp,
			"sources": sourcesHelp, "notify": notifyHelp, "rules": rulesHelp,
		}[topic])
		return command.Done
	default:
		fmt.Fprintf(stderr, "iotmon: no help on %s; there is on replay, bench, backup, restore, upgrade, sources, notify and rules\n", topic)
		return command.CannotStart
	}
}
