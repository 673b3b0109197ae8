"""How settings that belong together are read from environment variables, and one secret of them from a file."""

import os
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.errors import UsageFault
from schemas.own_files import TooLarge, read_within

_MAX_SECRET: Final = 64 * 1024
"""Bytes of a file with a password."""


class SettingsGroup(BaseSettings):
    """Settings that belong together; read once, never changed. The docstring of a group is its heading."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True, hide_input_in_errors=True
    )

    SECRET: ClassVar[str] = ""
    """The field that can also be read from a file, if there is one."""
    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values are in no message: an address may hold a password where none belongs."""

    @classmethod
    def variable(cls, field: str) -> str:
        """Name of the environment variable behind a field."""
        alias = cls.model_fields[field].validation_alias
        return str(alias) if alias else f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options beat the environment; no .env file is read behind the user's back."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFile(settings_cls, cls)


class _SecretFile(PydanticBaseSettingsSource):
    """Reads a secret from the file that NAME_FILE names (container platforms mount secrets as files)."""

    def __init__(self, settings_cls: type[BaseSettings], group: type[SettingsGroup]) -> None:
        super().__init__(settings_cls)
        self._group = group

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        del field
        name = self._group.variable(field_name)
        variable = f"{name}_FILE"
        place = os.environ.get(variable)
        if not place:
            return None, field_name, False
        if os.environ.get(name):
            raise UsageFault(f"{name} and {variable} are both set: unset one of them")
        try:
            return read_within(Path(place), _MAX_SECRET).decode().rstrip("\r\n"), field_name, False
        except TooLarge:
            raise
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageFault(f"{variable} names {place}, which cannot be read ({why}): correct the path") from error

    def __call__(self) -> dict[str, Any]:
        secret = self._group.SECRET
        if not secret:
            return {}
        value, key, _ = self.get_field_value(self._group.model_fields[secret], secret)
        return {} if value is None else {key: value}
