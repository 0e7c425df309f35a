// Package modbus polls the registers of Modbus devices by TCP, TLS and RTU over TCP. It never writes.
//
// One goroutine has the connection to one address. The units behind that address, such as the devices on the serial line of a
// gateway, take turns request by request, and a unit that does not answer only gets the turns that the others do not need.
package modbus
