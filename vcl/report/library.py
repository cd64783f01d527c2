"""What a library holds."""
def library_text(library): return str(library.videos)
def library_data(library): return {}
