"""How to read what is on the page, one line each."""

HELP = {
    "matrix": "Row s is the state after session s, column j is video j. The diagonal is a video's quality when its "
    "session closed; below it the same video after later sessions, equal where nothing is forgotten; above it, a video "
    "still to come.",
    "average": "Mean of the last row of the matrix, over the videos so far.",
    "backward_transfer": "Mean over earlier videos of the last row minus the diagonal; 0 where nothing is forgotten.",
    "forgetting": "Mean over earlier videos of their best value minus their last; 0 where nothing is forgotten.",
    "forward_transfer": "PSNR after the first epochs, minus that of the same network trained from scratch on that "
    "video alone.",
    "stored_bytes": "Bytes of the library that the run exports to, plus those of the buffer that the next session "
    "needs.",
    "stored": "Weights; masks; side data, which is all else that decoding needs; and buffers, which only the next "
    "session needs.",
    "bits_per_pixel": "Stored bits per pixel of all videos.",
    "seconds": "Time spent in training, in seconds.",
    "updates_per_frame": "Frames trained on, including rehearsed ones, per frame of the videos.",
    "decode_fps": "Frames per second of decoding alone, on the machine of the run.",
    "proof": "After each session all earlier videos are decoded from what is on disk, and the SHA-256 of their frames "
    "is compared with the one taken when they were sealed. Where no frames were decoded, or on another machine, it is "
    "the hash of the numbers that decode them.",
    "training": "Loss and PSNR of the training frames, the mean of each epoch; sessions follow one another.",
    "capacity": "Weights that a session reuses from earlier ones, that it adds, that only other sessions use, and "
    "that no session uses yet.",
    "overlap": "Share of the weights of one session that another uses too.",
    "age": "Share of the weights of a session by the session that was the first to use them.",
    "frames": "Truth, decoded, and their difference: the mean absolute error over the colours, amplified by the factor "
    "that is named. Frames are rounded to 8 bits, as measured ones are.",
    "frame_psnr": "PSNR of each frame of a video, decoded after the last session.",
    "statistics": "Variance of the layers' outputs, and the log amplitude of spectra relative to that of their mean.",
    "comparison": "Means over runs that differ in their seed alone, with their standard deviation.",
    "provenance": "What the run was started with: its command, settings, machine and versions.",
}
