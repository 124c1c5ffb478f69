"""What the server will not do, in a sentence for the person who asked; the HTTP edge gives each its status."""

from becalm_protocol.errors import BecalmError


class UnknownSessionError(BecalmError):
    """There is no such session."""


class UnknownStreamError(BecalmError):
    """The session has no such stream, or none of samples."""


class UnknownAnnotationError(BecalmError):
    """The session has no such marker or note."""


class TooManyAnnotationsError(BecalmError):
    """The session has as many markers or notes as it may have."""


class UnknownPersonError(BecalmError):
    """There is no such person."""


class UnknownAccountError(BecalmError):
    """There is no such account."""


class UnknownDeviceError(BecalmError):
    """There is no such paired device."""


class UnknownLoginError(BecalmError):
    """There is no such login."""


class UnknownGrantError(BecalmError):
    """There is no such grant."""


class UnknownConsentError(BecalmError):
    """The person has not agreed to that purpose."""


class OwnerStaysError(BecalmError):
    """The owner cannot be sent away."""


class LoginTakenError(BecalmError):
    """The login name is somebody else's."""


class TooManyTriesError(BecalmError):
    """Too many wrong passwords or codes, of this name or from this address."""


class WhoError(BecalmError):
    """The token does not tell who asks: none, an unknown one, or one that was taken back."""


class NotAllowedError(BecalmError):
    """The role of who asks does not cover it."""


class NoAgentError(BecalmError):
    """Nothing beside the body is connected that could start."""


class SessionRunningError(BecalmError):
    """An agent carries one session at a time."""


class ReportPendingError(BecalmError):
    """The report is not there yet."""


class NothingToExportError(BecalmError):
    """The session holds nothing that the format could carry."""


class FormatUnavailableError(BecalmError):
    """The server cannot write the format, or not for such a session."""


class ExportsBusyError(BecalmError):
    """Others are being made, or this one took too long."""


class NotReadyError(BecalmError):
    """The server cannot do its work now; `reasons` has a sentence for each cause."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))
