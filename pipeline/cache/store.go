package cache

import "rkd/pipeline/storage"

// Store is where the files of a cache lie.
type Store = storage.Store

// File is an open file of a store.
type File = storage.File

// Entry is a file of a store's folder.
type Entry = storage.Entry

// openStore opens what a cache's location names.
func openStore(dir string) Store { return storage.At(dir) }
