package app

import (
	"context"
	"fmt"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/source/opcua"
)

// opcua lists the variables of a server.
func (b *browser) opcua(ctx context.Context, configured *config.Source) error {
	options, err := opcuaOptions(configured, b.cfg.DataDir)
	if err != nil {
		return err
	}
	if b.Root != "" {
		root, err := opcua.ParseNodeName(b.Root)
		if err != nil {
			return &BrowseError{fmt.Sprintf("root: %v", err)}
		}
		options.Browse = &opcua.Browse{Root: root, Depth: opcua.DefaultDepth}
	}
	found, truncated, err := opcua.List(ctx, *options, b.Count)
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("the time was over (-for %v): %w", b.For, err)
	}
	if err != nil {
		return err
	}
	// Files with the default names are found without being named.
	options.CertFile, options.KeyFile, options.Trust = configured.OPCUA.CertFile, configured.OPCUA.KeyFile, configured.OPCUA.Trust
	return opcua.WriteConfiguration(b.Out, *options, found, truncated, func(f *opcua.Found) iot.DeviceType {
		text := ""
		if f.DataType == "Boolean" {
			text = "true"
		}
		return b.guesser.Guess(f.Path, f.Unit, text).Type
	})
}
