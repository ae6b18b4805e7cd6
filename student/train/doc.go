// Package train is the training loop: batches in, losses, weights out, with checkpoints that a killed training goes on
// from to the same bytes. It is given everything by its caller, samples, teacher rows, engine, loss and the score that
// chooses the best checkpoint, and knows neither where they come from nor what is done with the student afterwards.
package train
