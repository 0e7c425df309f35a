package wire

// Ingested is the answer to readings sent over HTTP.
type Ingested struct {
	// Accepted counts the readings that Kafka has acknowledged.
	Accepted int `json:"accepted"`
	// Rejected is empty, not null, when all were accepted.
	Rejected []Rejection `json:"rejected"`
	// Duplicates counts the accepted readings that were sent before, Conflicts those that were sent before with another
	// value for the same device and time. Only the first one in the log counts. Both cover what the answering process has
	// received recently.
	Duplicates int `json:"duplicates"`
	Conflicts  int `json:"conflicts"`
}

// Rejection is the reason why one reading was refused; sending it again fails again.
type Rejection struct {
	// Index counts from 0 in the order sent.
	Index int `json:"index"`
	// Field is the JSON path of the offending field; empty when the reading as a whole is wrong.
	Field  string `json:"field"`
	Reason string `json:"reason"`
}
