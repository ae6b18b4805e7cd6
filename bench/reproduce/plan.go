package main

// plan is one of the examples of examples/reproduce and what the paper claims of its kind.
type plan struct {
	name, file, title, about string
	metrics                  []string          // columns of the table
	labels                   map[string]string // of the rows, by name of the variant
	claims                   []claim
	curve                    string // metric to draw over the epochs, empty for none
}

// claim is a statement of the paper as a comparison of two rows.
type claim struct {
	text            string
	metric          string
	better, than    string // names of variants; teacher is the teacher
	fewerEpochsThan bool   // the comparison is of the epochs until the mean final value of than is reached
}

const (
	recall    = "recall@1"
	mapAtR    = "map@r"
	teacher   = "teacher"
	triplet   = "triplet"
	rkdD      = "rkd-d"
	rkdA      = "rkd-a"
	rkdDA     = "rkd-da"
	nmi       = "nmi"
	top1      = "top-1"
	oneShot   = "5-way-1-shot"
	fiveShots = "5-way-5-shot"
)

var plans = []plan{
	{
		name: "reproduce-metric-learning", file: "examples/reproduce/1-metric-learning.yaml",
		title: "Metric learning on unseen classes",
		about: "A teacher of 240,256 parameters and students of 10,512 learn on the digits 0–4 and are measured on the " +
			"digits 5–9, which neither has seen. All data of MNIST are used, and six epochs of 150 batches: what there is to " +
			"gain is a narrow student's generalisation to other classes. Raw pixels reach Recall@1 0.970 and MAP@R 0.358 on " +
			"these digits, so Recall@1 says less here than MAP@R and NMI.",
		metrics: []string{recall, "recall@5", mapAtR, nmi},
		labels: map[string]string{
			triplet: "triplet, no teacher", rkdD: "RKD-D", rkdA: "RKD-A", rkdDA: "RKD-DA",
			"dark-rank": "hard DarkRank", "dark-rank-triplet": "hard DarkRank + triplet",
			"fitnet": "FitNet-style regression", "fitnet-triplet": "FitNet-style regression + triplet",
		},
		claims: []claim{
			{text: "distance beats the baseline", metric: recall, better: rkdD, than: triplet},
			{text: "angle beats the baseline", metric: recall, better: rkdA, than: triplet},
			{text: "both together beat the baseline", metric: recall, better: rkdDA, than: triplet},
			{text: "angle beats distance", metric: recall, better: rkdA, than: rkdD},
			{text: "angle beats distance", metric: mapAtR, better: rkdA, than: rkdD},
			{
				text: "angle takes fewer epochs to where distance ends", metric: recall,
				better: rkdA, than: rkdD, fewerEpochsThan: true,
			},
			{
				text: "angle takes fewer epochs to where distance ends", metric: mapAtR,
				better: rkdA, than: rkdD, fewerEpochsThan: true,
			},
			{text: "RKD-DA beats hard DarkRank", metric: recall, better: rkdDA, than: "dark-rank"},
			{text: "RKD-DA beats hard DarkRank with triplet", metric: recall, better: rkdDA, than: "dark-rank-triplet"},
			{text: "RKD-DA beats FitNet-style regression", metric: recall, better: rkdDA, than: "fitnet"},
			{text: "RKD-DA beats FitNet-style regression with triplet", metric: recall, better: rkdDA, than: "fitnet-triplet"},
			{text: "a student without normalisation beats its teacher", metric: mapAtR, better: rkdDA, than: teacher},
		},
		curve: recall,
	},
	{
		name: "reproduce-classification", file: "examples/reproduce/2-classification.yaml",
		title: "Classification",
		about: "Few labels and a small student: 200 images of MNIST, 20 of each digit, teach students of 3,994 parameters; " +
			"all 10,000 test images measure them. The teacher has 241,546 parameters and has seen the whole training split. " +
			"Weights are the paper's: distance 25, angle 50, on rows of unit length; HKD 16 at temperature 4, without its " +
			"square.",
		metrics: []string{top1, "top-5", "knn@5"},
		labels: map[string]string{
			"ce": "cross entropy", "ce-rkd-d": "cross entropy + RKD-D", "ce-rkd-da": "cross entropy + RKD-DA",
			"hkd": "cross entropy + HKD", "hkd-rkd-da": "cross entropy + HKD + RKD-DA",
		},
		claims: []claim{
			{text: "distance helps cross entropy", metric: top1, better: "ce-rkd-d", than: "ce"},
			{text: "distance and angle help cross entropy", metric: top1, better: "ce-rkd-da", than: "ce"},
			{text: "HKD helps cross entropy", metric: top1, better: "hkd", than: "ce"},
			{text: "RKD-DA is complementary to HKD: both beat HKD alone", metric: top1, better: "hkd-rkd-da", than: "hkd"},
		},
	},
	{
		name: "reproduce-few-shot", file: "examples/reproduce/3-few-shot.yaml",
		title: "Few-shot learning",
		about: "Prototypical networks learn from 500 episodes of five classes with one labelled image each, drawn from the " +
			"digits 0–4, and are measured on 1,000 episodes of the digits 5–9. What there is to gain is again a narrow " +
			"student's generalisation to other classes. Tried first: 500 training images instead of all 30,596. There the " +
			"student learns them by heart and gains nothing (5-way 1-shot, five seeds: prototypical 0.483 ± 0.014, with RKD-D " +
			"0.471 ± 0.021, with RKD-DA 0.483 ± 0.018).",
		metrics: []string{oneShot, fiveShots},
		labels: map[string]string{
			"prototypical": "prototypical", "prototypical-rkd-d": "prototypical + RKD-D",
			"prototypical-rkd-da": "prototypical + RKD-DA",
		},
		claims: []claim{
			{text: "distance brings a small gain", metric: oneShot, better: "prototypical-rkd-d", than: "prototypical"},
			{
				text: "distance and angle bring a small gain", metric: oneShot,
				better: "prototypical-rkd-da", than: "prototypical",
			},
			{text: "distance brings a small gain", metric: fiveShots, better: "prototypical-rkd-d", than: "prototypical"},
			{
				text: "distance and angle bring a small gain", metric: fiveShots,
				better: "prototypical-rkd-da", than: "prototypical",
			},
		},
	},
	{
		name: "reproduce-self-distillation", file: "examples/reproduce/4-self-distillation.yaml",
		title: "Self-distillation",
		about: "A network of 10,512 parameters trained by triplet, seed 1 of the first experiment, teaches one of the same " +
			"architecture by RKD-DA, which teaches the next; three generations from each of three seeds.",
		metrics: []string{recall, "recall@5", mapAtR, nmi},
		labels: map[string]string{
			rkdDA: "generation 1", rkdDA + "/generation-2": "generation 2", rkdDA + "/generation-3": "generation 3",
		},
		claims: []claim{
			{text: "generation 1 beats its teacher", metric: recall, better: rkdDA, than: teacher},
			{text: "generation 1 beats its teacher", metric: mapAtR, better: rkdDA, than: teacher},
			{text: "generation 3 beats the first teacher", metric: recall, better: rkdDA + "/generation-3", than: teacher},
		},
	},
}
