package push

import (
	"maps"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// mergedWindow is a window with its partitions added up.
type mergedWindow struct {
	data             map[iot.DeviceType]wire.AggregateData
	length           time.Duration
	final, corrected bool
}

// mergedWindows keeps the windows that were sent, merged, until they change. The lock of shared guards it.
type mergedWindows struct {
	present *present
	// byStart holds the windows by their start in Unix microseconds.
	byStart map[int64]*mergedWindow
}

func newMergedWindows(p *present) *mergedWindows {
	return &mergedWindows{present: p, byStart: make(map[int64]*mergedWindow)}
}

// forget drops the window that starts at start, in Unix microseconds: it has changed.
func (ws *mergedWindows) forget(start int64) { delete(ws.byStart, start) }

// forgetBefore drops the windows that start before oldest, in Unix microseconds: the view keeps them no longer.
func (ws *mergedWindows) forgetBefore(oldest int64) {
	maps.DeleteFunc(ws.byStart, func(start int64, _ *mergedWindow) bool { return start < oldest })
}

// filtered returns the part of a window that the filter lets through, with the counts of the devices that it lets through. start is the
// start of the window in Unix microseconds. It returns nil if nothing passes, or the window is no longer kept.
func (ws *mergedWindows) filtered(f *filter, start int64) *wire.AggregatedData {
	merged := ws.merge(f, start)
	if merged == nil {
		return nil
	}
	total, _ := ws.present.Count(&f.Filter)
	m := &wire.AggregatedData{
		WindowStart:   time.UnixMicro(start).UTC(),
		WindowSeconds: int(merged.length / time.Second),
		Final:         merged.final,
		Corrected:     merged.corrected,
		Data:          make(map[iot.DeviceType]wire.AggregateData),
		DeviceStatus:  total,
	}
	for t, data := range merged.data {
		if view.Allows(f.Types, t) {
			m.Data[t] = data
		}
	}
	if len(m.Data) == 0 {
		return nil
	}
	return m
}

// merge returns a window with its partitions added up, nil if it is no longer kept. Windows that are narrowed to areas are not kept for
// the next round: few filters do that.
func (ws *mergedWindows) merge(f *filter, start int64) *mergedWindow {
	if merged := ws.byStart[start]; merged != nil && f.Areas == nil {
		return merged
	}
	w := ws.present.Window(time.UnixMicro(start))
	if w == nil {
		return nil
	}
	merged := mergeWindow(w, f.Areas)
	if f.Areas == nil {
		ws.byStart[start] = merged
	}
	return merged
}

func mergeWindow(w *view.Window, areas map[iot.Area]struct{}) *mergedWindow {
	summaries, final := w.Merge(areas)
	merged := &mergedWindow{data: make(map[iot.DeviceType]wire.AggregateData), length: w.Length, final: final, corrected: w.Corrected()}
	for t, summary := range summaries {
		merged.data[t] = wire.AggregateDataOf(&summary)
	}
	return merged
}
