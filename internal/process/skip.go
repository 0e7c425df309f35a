package process

// Skip moves to the offset next, before which there are no more records: transaction markers and aborted records have
// offsets but are not delivered. Skip never moves back and has no other effect.
func (p *Partition) Skip(next int64) { p.next = max(p.next, next) }
