package app

import (
	"path/filepath"

	"iotmon/internal/config"
	"iotmon/internal/source/opcua"
)

func newOPCUA(configured *config.Source, dataDir string) (*opcua.Adapter, error) {
	o, err := opcuaOptions(configured, dataDir)
	if err != nil {
		return nil, err
	}
	return opcua.New(*o)
}

func opcuaOptions(configured *config.Source, dataDir string) (*opcua.Options, error) {
	f := configured.OPCUA.Filled(dataDir)
	o := &opcua.Options{
		Name: configured.Name, Endpoint: f.Endpoint, Security: f.Security, User: f.User, PasswordFile: f.PasswordFile,
		UserCertFile: f.UserCertFile, UserKeyFile: f.UserKeyFile, CertFile: f.CertFile, KeyFile: f.KeyFile,
		Trust: f.Trust, Refused: filepath.Join(dataDir, "opcua", "refused"),
		Publishing: f.PublishingInterval, Sampling: *f.SamplingInterval, Queue: uint32(f.QueueSize), Deadband: f.Deadband, Heartbeat: *f.Heartbeat,
	}
	for _, n := range f.Nodes {
		name, err := opcua.ParseNodeName(n.Node)
		if err != nil {
			return nil, err
		}
		o.Nodes = append(o.Nodes, opcua.Node{Node: name, Name: n.Name, Sampling: n.SamplingInterval, Deadband: n.Deadband})
	}
	if b := f.Browse; b != nil {
		root, err := opcua.ParseNodeName(b.Root)
		if err != nil {
			return nil, err
		}
		o.Browse = &opcua.Browse{Root: root, Include: b.Include, Exclude: b.Exclude, Depth: b.Depth, Max: b.Max}
	}
	return o, nil
}

// nodeRules returns the rules of the nodes that name their device; o may be nil.
func nodeRules(o *config.OPCUA) (rules []config.MapRule) {
	if o == nil {
		return nil
	}
	for _, n := range o.Nodes {
		name, err := opcua.ParseNodeName(n.Node)
		if n.Device == "" || err != nil {
			continue
		}
		node := opcua.Node{Node: name, Name: n.Name}
		rules = append(rules, config.MapRule{
			Field: node.Field(), Tags: map[string]string{opcua.TagNode: n.Node}, Device: n.Device, Type: n.Type, Unit: n.Unit, Building: n.Building, Room: n.Room,
		})
	}
	return rules
}
