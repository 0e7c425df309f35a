package control

import (
	"cmp"
	"fmt"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Kind is what is decided about.
type Kind string

// The kinds of objects.
const (
	Device Kind = "device"
	Rule   Kind = "rule"
	Map    Kind = "map"
	// Type is a device type. It is decided once, and neither changed nor deleted: its values have been counted.
	Type Kind = "type"
	// Notifications is who is notified of alerts. The notifier reads it from the database; see Registry.ChangeNotifications.
	Notifications Kind = "notifications"
)

// relayed reports whether this version of the program brings objects of the kind into the log. A newer one may have stored others in the same database
// while both run.
func (k Kind) relayed() bool { return k == Device || k == Rule || k == Map || k == Type }

// Ref names an object: a device, a rule, the map of a source, a device type, or who is notified of alerts.
type Ref struct {
	Kind Kind
	// Tenant is the owner of a device, empty for anything else.
	Tenant iot.Tenant
	// ID is the id of a device, or the name of a rule, of a source or of a type.
	ID string
}

// DeviceRef returns the name of a device's registry entry.
func DeviceRef(device iot.Identity) Ref { return Ref{Device, device.Tenant, string(device.ID)} }

// RuleRef returns the name of a rule.
func RuleRef(name string) Ref { return Ref{Kind: Rule, ID: name} }

// Identity returns the device that is named.
func (r Ref) Identity() iot.Identity { return iot.Identity{Tenant: r.Tenant, ID: iot.DeviceID(r.ID)} }

// Compare orders names by kind, tenant and id.
func (r Ref) Compare(other Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, other.Kind), cmp.Compare(r.Tenant, other.Tenant), cmp.Compare(r.ID, other.ID))
}

// Object is what has been decided last about a device, a rule, the map of a source or a device type.
type Object struct {
	Ref
	// Version is that of the entry, from 1 on; 0 if nothing has been decided.
	Version int64
	// Deleted means that the device is to be forgotten, that the rule does not exist any more, or that the map is that of the configuration.
	Deleted bool
	// Body is the JSON of the entry, as AppendDeviceEntry, AppendRuleEntry or, for a type, AppendSettings of package wire or
	// mapping.AppendEntry writes it; nil if Version is 0.
	Body []byte
	// Revision is that of the change; see Store.
	Revision int64
	// Confirmed means that Store.Confirm was called for this version.
	Confirmed bool
}

// DeviceObject returns an entry as an object. The entry must be valid.
func DeviceObject(device iot.Identity, e *iot.DeviceEntry) Object {
	return Object{Ref: DeviceRef(device), Version: e.Version, Deleted: e.Forget, Body: wire.AppendDeviceEntry(nil, e)}
}

// RuleObject returns a rule as an object. The entry must be valid.
func RuleObject(e *iot.RuleEntry) Object {
	return Object{Ref: RuleRef(e.Rule.Name), Version: e.Version, Deleted: e.Deleted, Body: wire.AppendRuleEntry(nil, e)}
}

// DeviceEntry returns the registry entry; the zero entry if nothing has been decided. An error means that another program has
// written the object.
func (o *Object) DeviceEntry() (iot.DeviceEntry, error) {
	if o.Version == 0 {
		return iot.DeviceEntry{}, nil
	}
	entry, err := wire.DecodeDeviceEntry(o.Body)
	if err == nil && entry.Version != o.Version {
		err = fmt.Errorf("has version %d, its row version %d", entry.Version, o.Version)
	}
	if err != nil {
		return iot.DeviceEntry{}, fmt.Errorf("registry entry of %s: %w", iot.Quote(o.ID), err)
	}
	return entry, nil
}

// RuleEntry returns the rule; the zero entry if nothing has been decided. An error means that another program has written the
// object.
func (o *Object) RuleEntry() (iot.RuleEntry, error) {
	if o.Version == 0 {
		return iot.RuleEntry{}, nil
	}
	entry, err := wire.DecodeRuleEntry(o.Body)
	if err == nil && entry.Version != o.Version {
		err = fmt.Errorf("has version %d, its row version %d", entry.Version, o.Version)
	}
	if err != nil {
		return iot.RuleEntry{}, fmt.Errorf("rule %s: %w", iot.Quote(o.ID), err)
	}
	return entry, nil
}

// Change is a new version of an object, and who has decided it.
type Change struct {
	// Object is the new version. Store sets its Revision, and Confirmed to false.
	Object
	// Actor is who has decided: an opaque id. Action is how, such as "put". Reason is why it was decided; may be empty.
	Actor, Action, Reason string
	// Time is when, by the clock of the process that has stored the change.
	Time time.Time
}

// Audit is the audit entry of one change.
type Audit struct {
	Ref
	Revision int64
	Time     time.Time
	Actor    string
	Action   string
	Reason   string
	// Version is the new one.
	Version int64
	// Before and After are the bodies; Before is nil for the first version.
	Before, After []byte
}
