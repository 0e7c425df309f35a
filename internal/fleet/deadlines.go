package fleet

import "cmp"

// byDeadline orders the earlier deadline first and the smaller id among equals, so that every replay finds silent devices
// in the same order.
func byDeadline(a, b *Device) int {
	return cmp.Or(a.deadline.Compare(b.deadline), cmp.Compare(a.Latest.ID, b.Latest.ID))
}

// deadlines is a container/heap of devices by deadline.
type deadlines []*Device

func (h deadlines) Len() int { return len(h) }

func (h deadlines) Less(i, j int) bool { return byDeadline(h[i], h[j]) < 0 }

func (h deadlines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *deadlines) Push(x any) {
	d := x.(*Device)
	d.index = len(*h)
	*h = append(*h, d)
}

func (h *deadlines) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.index = -1
	return d
}
