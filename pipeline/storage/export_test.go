package storage

import "time"

// Quickly makes requests that fail repeat at once.
func Quickly() { retrying.first, retrying.most = time.Microsecond, time.Microsecond }

// Tries is how often a request is tried.
func Tries() int { return retrying.tries }

// Forget drops what this process knows of mirrors, as another process would.
func Forget(location string) { mirrors.ready.Delete(location) }

// Trees lists the folder of copies of folders.
func Trees() string { return copies.Load().dir + "/trees" }

// NoCopies makes this process keep no local copies.
func NoCopies() { copies.Store(nil) }
