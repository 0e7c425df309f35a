// Package notify decides who is notified of which alerts, when, and with which words. It is pure: time is an argument, and it does no I/O.
// Package deliver runs it.
//
// Alerts of one route, rule, area and severity are a group, and people are notified of groups: 10,000 devices that cross a threshold at once are one
// message. A Planner keeps the groups and makes Deliveries of what is due.
package notify
