package iot

import (
	"cmp"
	"iter"
)

// Tenant is the owner of devices. The empty Tenant is the only one where no tenants are configured. It comes from the
// credentials with which a reading was sent, never from the reading.
type Tenant string

// MaxTenant is the maximum length of a tenant's name in bytes.
const MaxTenant = 64

// Identity identifies a device: two tenants may use the same id for different devices.
type Identity struct {
	Tenant Tenant
	ID     DeviceID
}

// Normalize checks tenant and id and puts them into canonical form. Neither can contain a control character. The error is an
// *InvalidError.
func (i *Identity) Normalize() error {
	if i.Tenant != "" {
		if err := normalizeKey("tenant", (*string)(&i.Tenant), MaxTenant); err != nil {
			return err
		}
	}
	return normalizeID(&i.ID)
}

// String returns the id, behind the tenant and a separator if there is a tenant. No two devices have the same String.
func (i Identity) String() string {
	if i.Tenant == "" {
		return string(i.ID)
	}
	return string(i.Tenant) + string(IdentitySeparator) + string(i.ID)
}

// IdentitySeparator separates a tenant from an id. Neither can contain it, because it is a control character.
const IdentitySeparator = '\x1f'

// Compare orders devices by tenant, then by id.
func (i Identity) Compare(j Identity) int {
	return cmp.Or(cmp.Compare(i.Tenant, j.Tenant), cmp.Compare(i.ID, j.ID))
}

// ByDevice is a map by the identity of devices. Where there are no tenants, it costs as much as a map by the id. The zero ByDevice is
// empty.
type ByDevice[V any] struct {
	plain   map[DeviceID]V
	tenants map[Tenant]map[DeviceID]V
}

// Get returns the value of a device, the zero value if it has none.
func (m *ByDevice[V]) Get(tenant Tenant, id DeviceID) V {
	if tenant == "" {
		return m.plain[id]
	}
	return m.tenants[tenant][id]
}

// Find returns the value of a device; false if it has none.
func (m *ByDevice[V]) Find(device Identity) (V, bool) {
	devices := m.plain
	if device.Tenant != "" {
		devices = m.tenants[device.Tenant]
	}
	v, found := devices[device.ID]
	return v, found
}

// Set sets the value of a device.
func (m *ByDevice[V]) Set(device Identity, v V) {
	devices := m.plain
	if device.Tenant != "" {
		devices = m.tenants[device.Tenant]
	}
	if devices == nil {
		devices = make(map[DeviceID]V)
		if device.Tenant == "" {
			m.plain = devices
		} else {
			if m.tenants == nil {
				m.tenants = make(map[Tenant]map[DeviceID]V)
			}
			m.tenants[device.Tenant] = devices
		}
	}
	devices[device.ID] = v
}

// Delete removes a device.
func (m *ByDevice[V]) Delete(device Identity) {
	if device.Tenant == "" {
		delete(m.plain, device.ID)
		return
	}
	devices := m.tenants[device.Tenant]
	delete(devices, device.ID)
	if len(devices) == 0 {
		delete(m.tenants, device.Tenant)
	}
}

// Len returns the number of devices.
func (m *ByDevice[V]) Len() int {
	n := len(m.plain)
	for _, devices := range m.tenants {
		n += len(devices)
	}
	return n
}

// Clear removes all devices.
func (m *ByDevice[V]) Clear() {
	clear(m.plain)
	clear(m.tenants)
}

// All returns the devices and their values in no particular order. They may be deleted meanwhile.
func (m *ByDevice[V]) All() iter.Seq2[Identity, V] {
	return func(yield func(Identity, V) bool) {
		for id, v := range m.plain {
			if !yield(Identity{ID: id}, v) {
				return
			}
		}
		for tenant, devices := range m.tenants {
			for id, v := range devices {
				if !yield(Identity{tenant, id}, v) {
					return
				}
			}
		}
	}
}
