"""A page in a browser, and what went wrong on it."""

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 400, "height": 800}
PATIENCE = 120_000
"""Milliseconds that a busy machine may take for what is a moment else."""


class Opened:
    """A page of a report, with what went wrong on it and every address it asked for."""

    def __init__(self, browser, path):
        self.context = browser.new_context(viewport=WIDE, reduced_motion="reduce", offline=True)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.problems, self.addresses = [], []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.address = path.as_uri()

    def outside(self):
        return [address for address in self.addresses if not address.startswith(("file:", "data:", "blob:"))]


def quiet_page(opened):
    opened.page.set_viewport_size(WIDE)
    opened.page.emulate_media(color_scheme="light")
    yield opened.page
    assert opened.problems == []
    assert opened.outside() == []
