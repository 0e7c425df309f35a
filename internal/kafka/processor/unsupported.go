package processor

import (
	"context"
	"fmt"
)

// unsupportedError ends the sessions of a processor: it must not process a partition beyond a record, or from a checkpoint, of a newer
// version.
type unsupportedError struct {
	partition int32
	err       error
}

func (e *unsupportedError) Error() string { return fmt.Sprintf("partition %d: %v", e.partition, e.err) }

// unsupported returns an *unsupportedError if one of the partitions has come to a record of a newer version, otherwise nil.
func (s *session) unsupported() error {
	for id, part := range s.partitions {
		if part.unsupported != nil {
			return &unsupportedError{id, part.unsupported}
		}
	}
	return nil
}

// awaitUpgrade reports why the processor has left its group, and waits for the end of ctx. Members of a newer version process all
// partitions now. A member that joined again would take one of them away, and come to the same record.
func (p *Processor) awaitUpgrade(ctx context.Context, reason *unsupportedError) {
	p.Logger.Error("processor has left its group: a newer version is needed", "partition", reason.partition, "reason", reason.err)
	p.Metrics.Unsupported(reason.partition, reason.err.Error())
	<-ctx.Done()
}
