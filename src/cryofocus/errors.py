"""Every error cryofocus raises on purpose.

CryofocusError                 one clear message; the command line prints it and exits with 2
├── DeviceError                the accelerator asked for is missing or too small
├── InputError                 what the user gave cannot be used
│   ├── FormatError            a file is damaged or is not what its name says
│   ├── ParticleError          the particle table lacks or contradicts something
│   ├── RegionError            focus sphere or mask unusable
│   └── SettingError           an option or setting is out of range or contradicts another
├── OutputError                the result cannot be written (directory exists, disk full)
└── ClusterError               a cluster cannot be reached, or lost what it was doing
Interrupted                    stopped by the user or a signal; the run can be resumed (exit 130)

A message says where, what was found, what was expected and what to do.
"""

from __future__ import annotations


class CryofocusError(Exception):
    """Base of every deliberate error; its text is meant for the user."""


class DeviceError(CryofocusError):
    """The accelerator asked for is missing, or its memory is too small."""


class InputError(CryofocusError):
    """Something the user gave cannot be used."""


class FormatError(InputError):
    """A file is damaged or is not what its name says."""


class ParticleError(InputError):
    """The particle table lacks or contradicts something."""


class RegionError(InputError):
    """A focus sphere or mask cannot be used."""


class SettingError(InputError):
    """An option is out of range or contradicts another."""


class OutputError(CryofocusError):
    """A result cannot be written."""


class ClusterError(CryofocusError):
    """A cluster cannot be reached, does not fit, or lost what it was doing."""


class Interrupted(Exception):
    """The user stopped the run; what is on disk can be resumed."""
