package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// names caches the committed rows of device types, areas and devices. The cache is dropped after any failure, because the next
// connection may reach another server, with fewer rows.
type names struct {
	types   map[iot.DeviceType]int16
	areas   map[iot.Area]int16
	devices iot.ByDevice[*device]
}

func newNames() names {
	return names{types: make(map[iot.DeviceType]int16), areas: make(map[iot.Area]int16)}
}

// device is a row of devices. stored is its content, newest the time of the device's newest reading since, and partitions
// are those under which the device is listed.
type device struct {
	id         int64
	stored     iot.Device
	newest     int64
	partitions []int32

	// Changes by the current batch.
	renewed bool
	moved   []int32
}

// naming finds the rows of a batch's names and adds missing ones. After the commit, keep copies the new rows to names.
type naming struct {
	tx      pgx.Tx
	names   *names
	types   map[iot.DeviceType]int16
	areas   map[iot.Area]int16
	devices iot.ByDevice[*device]
}

func newNaming(tx pgx.Tx, known *names) *naming {
	return &naming{
		tx: tx, names: known, types: make(map[iot.DeviceType]int16), areas: make(map[iot.Area]int16),
	}
}

func (n *naming) keep() {
	maps.Copy(n.names.types, n.types)
	maps.Copy(n.names.areas, n.areas)
	for id, d := range n.devices.All() {
		d.renewed, d.moved = false, nil
		n.names.devices.Set(id, d)
	}
}

// resolve makes sure that every name in the readings has a row.
func (n *naming) resolve(ctx context.Context, readings []archive.Reading) error {
	for i := range readings {
		n.note(&readings[i])
	}
	if err := n.resolveTypes(ctx); err != nil {
		return err
	}
	if err := n.resolveAreas(ctx); err != nil {
		return err
	}
	return n.resolveDevices(ctx)
}

// note records what is new in a reading: its type, its area, its device or the device's metadata.
func (n *naming) note(r *archive.Reading) {
	if _, ok := n.names.types[r.Type]; !ok {
		n.types[r.Type] = 0
	}
	if area := areaOf(r); area != "" {
		if _, ok := n.names.areas[area]; !ok {
			n.areas[area] = 0
		}
	}
	at := r.Time.UnixMicro()
	d := n.device(r.Device)
	if d == nil || at >= d.newest {
		if d == nil || d.stored != *r.Device {
			d = n.change(r.Device, d)
			d.stored, d.renewed = *r.Device, true
		}
		// Setting it before the commit is harmless: when a batch fails, all names are dropped.
		d.newest = at
	}
	if !slices.Contains(d.partitions, r.Partition) {
		d = n.change(r.Device, d)
		d.partitions = append(slices.Clip(d.partitions), r.Partition)
		d.moved = append(d.moved, r.Partition)
	}
}

func (n *naming) device(of *iot.Device) *device {
	if d := n.devices.Get(of.Tenant, of.ID); d != nil {
		return d
	}
	return n.names.devices.Get(of.Tenant, of.ID)
}

// change returns the batch's own copy of a cached device.
func (n *naming) change(of *iot.Device, d *device) *device {
	if own := n.devices.Get(of.Tenant, of.ID); own != nil {
		return own
	}
	own := new(device)
	if d != nil {
		*own = *d
	}
	n.devices.Set(of.Identity(), own)
	return own
}

// typeID returns the row id of a resolved type.
func (n *naming) typeID(t iot.DeviceType) int16 {
	if id, ok := n.names.types[t]; ok {
		return id
	}
	return n.types[t]
}

func (n *naming) resolveTypes(ctx context.Context) error {
	if len(n.types) == 0 {
		return nil
	}
	wanted := slices.Sorted(maps.Keys(n.types))
	// An INSERT with a conflict consumes a sequence number too, so only missing rows are inserted.
	_, err := n.tx.Exec(ctx, `INSERT INTO device_types (name)
		SELECT name FROM unnest($1::text[]) AS wanted (name) WHERE name NOT IN (SELECT name FROM device_types) ORDER BY name ON CONFLICT DO NOTHING`, wanted)
	if err != nil {
		return err
	}
	var id int16
	var name iot.DeviceType
	return each(ctx, n.tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		n.types[name] = id
		return nil
	}, `SELECT id, name FROM device_types WHERE name = ANY ($1)`, wanted)
}

// areaOf returns the first area of a reading as the table can hold it.
func areaOf(r *archive.Reading) iot.Area { return iot.Area(text(string(r.Location.FirstArea()))) }

// areaID returns the row id of a resolved area.
func (n *naming) areaID(area iot.Area) int16 {
	if area == "" {
		return 0
	}
	if id, ok := n.names.areas[area]; ok {
		return id
	}
	return n.areas[area]
}

// addAreas adds areas to the table, as long as there are ids. The lock keeps two archivers from giving the same id; it is taken only
// for a new area, after the rows of types and before those of devices, by every archiver.
const addAreas = `INSERT INTO areas (id, tenant, area)
	SELECT id, '', area FROM (
		SELECT (SELECT coalesce(max(id), 0) FROM areas) + row_number() OVER (ORDER BY area) AS id, area
		FROM unnest($1::text[]) AS wanted (area) WHERE area NOT IN (SELECT area FROM areas WHERE tenant = '')
	) AS added WHERE id <= $2`

// resolveAreas adds the missing rows of areas. An area without a row, because there are too many, gets store.OtherArea.
func (n *naming) resolveAreas(ctx context.Context) error {
	if len(n.areas) == 0 {
		return nil
	}
	wanted := slices.Sorted(maps.Keys(n.areas))
	found, err := n.findAreas(ctx, wanted)
	if err != nil {
		return err
	}
	if found < len(wanted) {
		if _, err := n.tx.Exec(ctx, `LOCK TABLE areas IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		if _, err := n.tx.Exec(ctx, addAreas, wanted, store.LastArea); err != nil {
			return err
		}
		if _, err := n.findAreas(ctx, wanted); err != nil {
			return err
		}
	}
	for area, id := range n.areas {
		if id == 0 {
			n.areas[area] = store.OtherArea
		}
	}
	return nil
}

// findAreas reads the ids of areas and returns how many have one.
func (n *naming) findAreas(ctx context.Context, wanted []iot.Area) (found int, err error) {
	var id int16
	var area iot.Area
	err = each(ctx, n.tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&id, &area); err != nil {
			return err
		}
		n.areas[area] = id
		found++
		return nil
	}, `SELECT id, area FROM areas WHERE tenant = '' AND area = ANY ($1)`, wanted)
	return found, err
}

// resolveDevices adds and updates the rows of devices in the order of their identities, so that two archivers cannot deadlock.
func (n *naming) resolveDevices(ctx context.Context) error {
	if n.devices.Len() == 0 {
		return nil
	}
	var changed []*device
	for _, d := range n.devices.All() {
		changed = append(changed, d)
	}
	slices.SortFunc(changed, func(a, b *device) int { return a.stored.Identity().Compare(b.stored.Identity()) })
	unknown := slices.DeleteFunc(slices.Clone(changed), func(d *device) bool { return d.id != 0 })
	if len(unknown) > 0 {
		if err := n.load(ctx, unknown); err != nil {
			return err
		}
		absent := slices.DeleteFunc(slices.Clone(unknown), func(d *device) bool { return d.id != 0 })
		if len(absent) > 0 {
			if err := n.add(ctx, absent); err != nil {
				return err
			}
			// Another archiver may have added some concurrently: load their rows too.
			if err := n.load(ctx, absent); err != nil {
				return err
			}
		}
	}
	return n.update(ctx, changed)
}

// load reads the rows of unknown devices.
func (n *naming) load(ctx context.Context, unknown []*device) error {
	tenants, ids := make([]string, len(unknown)), make([]string, len(unknown))
	for i, d := range unknown {
		tenants[i], ids[i] = text(string(d.stored.Tenant)), string(d.stored.ID)
	}
	return each(ctx, n.tx, func(rows pgx.Rows) error {
		var id int64
		var s iot.Device
		var said time.Time
		if err := rows.Scan(&id, &s.Tenant, &s.ID, &s.Type, &s.Unit, &s.Location.Building, &s.Location.Floor, &s.Location.Room,
			&s.Metadata.Model, &s.Metadata.Firmware, &said); err != nil {
			return err
		}
		d := n.devices.Get(s.Tenant, s.ID)
		d.id = id
		if d.newest < said.UnixMicro() {
			d.stored, d.newest, d.renewed = s, said.UnixMicro(), false
		} else {
			d.renewed = d.stored != s
		}
		return nil
	}, `SELECT id, tenant, device_id, device_type, unit, building, floor, room, model, firmware, said
		FROM devices JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, device_id) USING (tenant, device_id)`, tenants, ids)
}

func (n *naming) add(ctx context.Context, absent []*device) error {
	var c deviceColumns
	for _, d := range absent {
		c.add(d)
	}
	_, err := n.tx.Exec(ctx, `INSERT INTO devices (tenant, device_id, device_type, unit, building, floor, room, model, firmware, said)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::timestamptz[])
		ON CONFLICT DO NOTHING`, c.tenants, c.ids, c.types, c.units, c.buildings, c.floors, c.rooms, c.models, c.firmwares, c.said)
	return err
}

// deviceColumns are rows of devices in columns.
type deviceColumns struct {
	tenants, ids, types, units, buildings, rooms, models, firmwares []string
	floors                                                          []int64
	said                                                            []time.Time
}

func (c *deviceColumns) add(d *device) {
	s := &d.stored
	c.tenants = append(c.tenants, text(string(s.Tenant)))
	c.ids, c.types, c.units = append(c.ids, string(s.ID)), append(c.types, text(string(s.Type))), append(c.units, text(s.Unit))
	c.buildings, c.floors = append(c.buildings, text(s.Location.Building)), append(c.floors, int64(s.Location.Floor))
	c.rooms, c.models = append(c.rooms, text(s.Location.Room)), append(c.models, text(s.Metadata.Model))
	c.firmwares, c.said = append(c.firmwares, text(s.Metadata.Firmware)), append(c.said, time.UnixMicro(d.newest))
}

// update stores changed metadata of devices, and the partitions in which they send.
func (n *naming) update(ctx context.Context, changed []*device) error {
	batch := new(pgx.Batch)
	var moved []int64
	var to []int32
	for _, d := range changed {
		if d.renewed {
			s := &d.stored
			batch.Queue(`UPDATE devices SET device_type = $2, unit = $3, building = $4, floor = $5, room = $6, model = $7, firmware = $8, said = $9
				WHERE id = $1 AND said <= $9`, d.id, text(string(s.Type)), text(s.Unit), text(s.Location.Building), int64(s.Location.Floor),
				text(s.Location.Room), text(s.Metadata.Model), text(s.Metadata.Firmware), time.UnixMicro(d.newest))
		}
		for _, partition := range d.moved {
			moved, to = append(moved, d.id), append(to, partition)
		}
	}
	if len(moved) > 0 {
		batch.Queue(`INSERT INTO device_partitions (device, partition) SELECT * FROM unnest($1::bigint[], $2::integer[]) AS moved (device, partition)
			ORDER BY device, partition ON CONFLICT DO NOTHING`, moved, to)
	}
	return n.tx.SendBatch(ctx, batch).Close()
}

// text replaces what a text column cannot hold: invalid UTF-8 and NUL, which JSON allows.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
