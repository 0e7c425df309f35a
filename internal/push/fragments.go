package push

// fragments keeps the JSON of devices for further messages until a device changes. The lock of shared guards it.
type fragments struct {
	present *present
	// byDevice holds the JSON by the number of the device; nil where it must be made.
	byDevice [][]byte
}

// get returns the JSON of a device. The caller must not change it.
func (fs *fragments) get(device int32) []byte {
	if missing := fs.present.Numbers() - len(fs.byDevice); missing > 0 {
		fs.byDevice = append(fs.byDevice, make([][]byte, missing)...)
	}
	if fs.byDevice[device] == nil {
		fs.byDevice[device] = appendDevice(nil, fs.present.Device(device))
	}
	return fs.byDevice[device]
}

// forget drops the JSON of a device: the device has changed, or its number may be given to another one before the next round.
func (fs *fragments) forget(device int32) {
	if int(device) < len(fs.byDevice) {
		fs.byDevice[device] = nil
	}
}
