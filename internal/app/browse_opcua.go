package app

import (
	"context"
	"fmt"
	"strings"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source/opcua"
)

// urlOPCUA is how the URLs of OPC UA servers begin.
const urlOPCUA = "opc.tcp://"

// browseOPCUA writes which variables a server has, as the configuration of a source to start from. It changes nothing at the server.
func browseOPCUA(ctx context.Context, cfg *config.Config, o BrowseOptions) error {
	configured := &config.Source{Name: "plc", OPCUA: &config.OPCUA{Endpoint: o.Source, Security: o.Security, User: o.User, PasswordFile: o.PasswordFile}}
	if !strings.HasPrefix(o.Source, urlOPCUA) {
		named, err := sourceOf(cfg.Sources, o.Source)
		if err != nil {
			return err
		}
		if named.OPCUA == nil {
			return fmt.Errorf("source %q is not one of OPC UA: others cannot be browsed", o.Source)
		}
		configured = named
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		return err
	}
	options, err := opcuaOptions(configured, cfg.DataDir)
	if err != nil {
		return err
	}
	if o.Root != "" {
		root, err := opcua.ParseNodeName(o.Root)
		if err != nil {
			return fmt.Errorf("root: %w", err)
		}
		options.Browse = &opcua.Browse{Root: root, Depth: opcua.DefaultDepth}
	}
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	found, truncated, err := opcua.List(ctx, *options, o.Count)
	if err != nil {
		return err
	}
	return opcua.WriteConfiguration(o.Out, *options, found, truncated, func(path, unit string) iot.DeviceType {
		return typeOf(&mapping.Rule{Field: path, Unit: unit}, catalog)
	})
}
