package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"iotmon/internal/iot"
	"iotmon/internal/statecache"
)

// States is a cache of the latest device states. It keeps each state in two keys:
//
//   - iotmon:device:<device id> is a hash for other systems, with a field for each property. It expires after Expiry without
//     a reading of the device.
//   - iotmon:states:<partition> is a hash that web instances start from: the JSON of each state by the device's id. The field
//     with the empty name, which no device has, holds the topic and the offset up to which the hash is complete; begunField
//     holds when it was begun. Both are in the same key as the states, so they can only be evicted or lost together.
type States struct{ *Client }

var _ statecache.Cache = States{}

// statesPerScript is how many states one script writes: Redis executes nothing else meanwhile.
const statesPerScript = 500

// scanCount is how many states one step of a scan is to return.
const scanCount = 1000

// applyScript writes states to a partition if it has the offset that the caller expects. ARGV: the expected position, or ""
// to clear and begin again; the new position; milliseconds to live; then devices and values, "" to delete a device.
var applyScript = goredis.NewScript(`
if ARGV[1] == '' then
	redis.call('UNLINK', KEYS[1])
	redis.call('HSET', KEYS[1], '\0begun', table.concat(redis.call('TIME'), '.'))
elseif redis.call('HGET', KEYS[1], '') ~= ARGV[1] then
	return 0
end
for i = 4, #ARGV, 2 do
	if ARGV[i+1] == '' then
		redis.call('HDEL', KEYS[1], ARGV[i])
	else
		redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1])
	end
end
redis.call('HSET', KEYS[1], '', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

// deviceScript writes a device's hash unless the stored one has a higher position in the same partition. ARGV: partition,
// epoch, position, milliseconds to live, then fields and values.
var deviceScript = goredis.NewScript(`
local old = redis.call('HMGET', KEYS[1], 'partition', 'epoch', 'position')
if old[1] == ARGV[1] then
	local epoch, position = tonumber(old[2]), tonumber(old[3])
	if epoch > tonumber(ARGV[2]) or epoch == tonumber(ARGV[2]) and position > tonumber(ARGV[3]) then
		return 0
	end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'partition', ARGV[1], 'epoch', ARGV[2], 'position', ARGV[3], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`)

// forgetScript deletes a device's hash unless the stored one has a higher position in the same partition. ARGV: partition,
// epoch, position.
var forgetScript = goredis.NewScript(`
local old = redis.call('HMGET', KEYS[1], 'partition', 'epoch', 'position')
if old[1] == ARGV[1] and tonumber(ARGV[3]) > 0 then
	local epoch, position = tonumber(old[2]), tonumber(old[3])
	if epoch > tonumber(ARGV[2]) or epoch == tonumber(ARGV[2]) and position > tonumber(ARGV[3]) then
		return 0
	end
end
return redis.call('DEL', KEYS[1])`)

func statesKey(p statecache.Partition) string {
	return prefix + "states:" + strconv.Itoa(int(p.ID))
}

// deviceKey returns the Redis key of a device, given its key in the log.
func deviceKey(key string) string { return prefix + "device:" + key }

// stand returns the stored form of the offset up to which a partition is complete.
func stand(p statecache.Partition, next int64) string {
	return p.Topic + " " + strconv.FormatInt(next, 10)
}

// begunField is the field with the time at which the partition was begun. It cannot be a device id, because those have no
// control characters.
const begunField = "\x00begun"

// Next implements statecache.Cache.
func (s States) Next(ctx context.Context, p statecache.Partition) (int64, bool, error) {
	next, _, err := s.where(ctx, p)
	return next, next >= 0, err
}

// where returns the offset up to which a partition is complete, -1 if it is not cached. begun is the time at which a filler began
// to fill it, as text: a scan during which it changes has read two fillings.
func (s States) where(ctx context.Context, p statecache.Partition) (next int64, begun string, err error) {
	found, err := s.redis.HMGet(ctx, statesKey(p), "", begunField).Result()
	if err != nil {
		return -1, "", fmt.Errorf("read where partition %d stands: %w", p.ID, err)
	}
	text, _ := found[0].(string)
	begun, _ = found[1].(string)
	topic, offset, _ := strings.Cut(text, " ")
	next, err = strconv.ParseInt(offset, 10, 64)
	if err != nil || topic != p.Topic {
		return -1, "", nil
	}
	return next, begun, nil
}

// Apply implements statecache.Cache. It writes the devices' own hashes first: if it fails in between, they are written
// again.
func (s States) Apply(ctx context.Context, batch *statecache.Batch) (bool, error) {
	if err := s.writeDevices(ctx, batch.States); err != nil {
		return false, fmt.Errorf("write devices: %w", err)
	}
	applied, err := s.apply(ctx, batch)
	if err != nil {
		return false, fmt.Errorf("write partition %d: %w", batch.ID, err)
	}
	return applied, nil
}

func (s States) apply(ctx context.Context, batch *statecache.Batch) (bool, error) {
	// A partition that is not written for so long is outdated and expires.
	lifetime := s.expiry.Milliseconds()
	from, next := stand(batch.Partition, batch.From), stand(batch.Partition, batch.Next)
	expected := from
	if batch.First {
		expected = ""
	}
	for states := batch.States; ; {
		part := states[:min(len(states), statesPerScript)]
		states = states[len(part):]
		to := from // Only the last part moves the partition's offset.
		if len(states) == 0 {
			to = next
		}
		args := []any{expected, to, lifetime}
		for i := range part {
			args = append(args, part[i].Key, part[i].Value)
		}
		applied, err := applyScript.Run(ctx, s.redis, []string{statesKey(batch.Partition)}, args...).Int()
		if err != nil || applied == 0 || len(states) == 0 {
			return applied == 1, err
		}
		expected = from
	}
}

func (s States) writeDevices(ctx context.Context, states []statecache.State) error {
	for len(states) > 0 {
		part := states[:min(len(states), statesPerScript)]
		states = states[len(part):]
		err := s.pipeDevices(ctx, part)
		if goredis.HasErrorPrefix(err, "NOSCRIPT") {
			// A restarted server does not have the scripts.
			if err = errors.Join(deviceScript.Load(ctx, s.redis).Err(), forgetScript.Load(ctx, s.redis).Err()); err == nil {
				err = s.pipeDevices(ctx, part)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s States) pipeDevices(ctx context.Context, states []statecache.State) error {
	_, err := s.redis.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		for i := range states {
			key := deviceKey(states[i].Key)
			if states[i].State == nil {
				at := states[i].Deleted
				forgetScript.EvalSha(ctx, pipe, []string{key}, int(at.Partition), int(at.Epoch), at.Offset)
				continue
			}
			deviceScript.EvalSha(ctx, pipe, []string{key}, s.deviceArgs(states[i].State)...)
		}
		return nil
	})
	return err
}

// deviceArgs returns the arguments of deviceScript. Fields are named as in the documented messages.
func (s States) deviceArgs(state *iot.DeviceState) []any {
	r := &state.Latest
	args := []any{
		int(state.Partition), int(state.Epoch), state.Offset, s.expiry.Milliseconds(),
		"device_id", string(r.ID),
		"device_type", string(r.Type),
		"value", r.Value,
		"timestamp", r.Time.Format(time.RFC3339Nano),
		"status", string(state.Status),
		"since", state.Since.Format(time.RFC3339Nano),
		"open_alerts", len(state.OpenAlerts()),
	}
	text := func(field, value string) {
		if value != "" {
			args = append(args, field, value)
		}
	}
	text("tenant", string(r.Tenant))
	text("quality", string(r.Quality))
	text("building", r.Location.Building)
	if r.Location.Floor != 0 {
		args = append(args, "floor", r.Location.Floor)
	}
	text("room", r.Location.Room)
	return args
}

// Load implements statecache.Cache. States that are written during the scan may or may not be visited; the returned offset
// is below all of them.
func (s States) Load(ctx context.Context, p statecache.Partition, visit func(value []byte)) (int64, bool, error) {
	next, begun, err := s.where(ctx, p)
	if err != nil || next < 0 {
		return 0, false, err
	}
	for cursor := uint64(0); ; {
		var fields []string
		fields, cursor, err = s.redis.HScan(ctx, statesKey(p), cursor, "", scanCount).Result()
		if err != nil {
			return 0, false, fmt.Errorf("load partition %d: %w", p.ID, err)
		}
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] != "" && fields[i] != begunField {
				visit([]byte(fields[i+1]))
			}
		}
		if cursor == 0 {
			break
		}
	}
	// If the partition was begun again during the scan, the scan may be incomplete.
	still, again, err := s.where(ctx, p)
	return next, err == nil && still >= 0 && again == begun, err
}
