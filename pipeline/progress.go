package pipeline

// Progress is told how far a stage is. A stage never knows whether there is a terminal.
type Progress interface {
	// Start begins a stage of total units ("images", "steps"), done of which are there already.
	Start(stage, unit string, done, total int)
	Add(n int)
	Finish()
	// Say reports one line: what was skipped, what was found.
	Say(format string, args ...any)
}

// Quiet is a Progress that reports nothing.
type Quiet struct{}

// Start does nothing.
func (Quiet) Start(string, string, int, int) {}

// Add does nothing.
func (Quiet) Add(int) {}

// Finish does nothing.
func (Quiet) Finish() {}

// Say does nothing.
func (Quiet) Say(string, ...any) {}
