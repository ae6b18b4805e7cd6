// Package lock lets a process hold a folder while it writes there, so that a second process waits or ends with a
// sentence instead of mixing its results in. What is written, and when, is the caller's business.
package lock
