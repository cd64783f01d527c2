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
    "bits_per_pixel": "Stored bits per pixel of all videos.",
    "decode_fps": "Frames per second of decoding alone, on the machine of the run.",
}
