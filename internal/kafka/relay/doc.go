// Package relay is what forwarding needs of Kafka: the local log with the positions in it, and a central cluster to forward to.
package relay
