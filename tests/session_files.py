"""What the session files of a run folder hold."""

from vcl.plan.stored import total_bytes


def file_bytes(folder):
    """Bytes by kind of all sessions together, without what later ones have overwritten."""
    files = [folder.session_bytes(session) for session in range(folder.sessions())]
    return total_bytes(files, folder.session_notes(0).state_kind)
