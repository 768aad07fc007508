"""Names that several modules of the integration share."""

from homeassistant.const import Platform

DOMAIN = "forecourt"

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.DATETIME,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]

SUBENTRY_CIRCUIT = "circuit"
SUBENTRY_STATION = "station"
SUBENTRY_USER = "user"

# Data of the site's entry: how stations reach it.
CONF_PORT = "port"
DEFAULT_PORT = 9000

# Options of the site: what its owner decided.
CONF_MAIN_FUSE_A = "main_fuse_a"
CONF_ACCESS = "access"
CONF_DEFAULT_USER = "default_user"
CONF_PRICE = "price_per_kwh"
CONF_PRICE_ENTITY = "price_entity"
CONF_PERSONAL_DATA = "personal_data"
DEFAULT_MAIN_FUSE_A = 25
MAX_MAIN_FUSE_A = 2000

# Options of the site: its own port with TLS, which is closed without them.
CONF_TLS_AUTHORITIES = "tls_authorities"
CONF_TLS_CERTIFICATE = "tls_certificate"
CONF_TLS_CERTIFICATE_FILE = "tls_certificate_file"
CONF_TLS_HOSTS = "tls_hosts"
CONF_TLS_KEY_FILE = "tls_key_file"
CONF_TLS_PORT = "tls_port"
DEFAULT_TLS_PORT = 9443

PERSONAL_DATA_SHARED = "shared"
PERSONAL_DATA_PRIVATE = "private"

# Data of a station.
CONF_LINK = "link"
CONF_PROFILE = "profile"
CONF_STATION_ID = "station_id"
CONF_BOX = "box"
CONF_EVSES = "evses"
CONF_MAX_CURRENT_A = "max_current_a"
CONF_FALLBACK_CURRENT_A = "fallback_current_a"
CONF_SECURITY_PROFILE = "security_profile"
CONF_SWITCHES_PHASES = "switches_phases"
DEFAULT_MAX_CURRENT_A = 16
DEFAULT_FALLBACK_CURRENT_A = 6
MIN_CURRENT_A = 6
MAX_STATION_CURRENT_A = 80
MAX_EVSES = 8

# What a charge may be for; no car takes more.
MAX_TARGET_WH = 500_000

# Data of a circuit.
CONF_CIRCUIT_ID = "circuit_id"
CONF_LIMIT_A = "limit_a"
CONF_PARENT = "parent"
CONF_STATIONS = "stations"

# Data of a user.
CONF_USER_ID = "user_id"
CONF_GROUP = "group"
CONF_PERSON = "person"


def station_unique_id(station_id: str) -> str:
    """Return the unique id of a station's subentry."""
    return f"station_{station_id}"


def circuit_unique_id(circuit_id: str) -> str:
    """Return the unique id of a circuit's subentry."""
    return f"circuit_{circuit_id}"


def user_unique_id(user_id: str) -> str:
    """Return the unique id of a user's subentry."""
    return f"user_{user_id}"
