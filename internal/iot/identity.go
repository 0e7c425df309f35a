package iot

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
