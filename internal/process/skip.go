package process

// Skip moves on to the offset next, before which there are no more records: a log has offsets without any, those of
// transaction markers and of records whose transaction was aborted. It never goes back, and decides nothing.
func (p *Partition) Skip(next int64) { p.next = max(p.next, next) }
