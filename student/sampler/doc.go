// Package sampler decides which rows make up a batch: P×K batches for metric learning, the selection split, and the
// streams of random numbers that everything seeded draws from. What is drawn is a pure function of the seed and the
// step, never of what was drawn before, so training resumes at any step without a generator's state. Triplet miners
// need embeddings and are in student/loss.
package sampler
