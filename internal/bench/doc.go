// Package bench puts a running system under load, watches what comes out, and proves that it is what went in.
package bench
