"""The registry of a store: what names of assets stand for, and how one gets there."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fanout.api import context
from fanout.api.calls import call
from fanout.config.settings import Settings
from fanout.errors import InputError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.assets import AssetName, Definition, Meaning
from fanout.pipeline.yaml.diagnostics import CheckFailed
from fanout.registry import assets
from fanout.registry.assets import Asset

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Registry:
    """The assets of one store."""

    settings: Settings

    def lookup(self, name: AssetName, kinds: tuple[AssetKind, ...]) -> Meaning:
        """What a name in a pipeline file stands for; CheckFailed when it stands for nothing here."""
        try:
            asset = self.find(name, kinds)
        except InputError as error:
            raise CheckFailed(str(error)) from error
        definition = Definition(asset.definition, asset.folder) if asset.definition else None
        return Meaning(str(asset), asset.uri, definition)

    def find(self, name: AssetName, kinds: tuple[AssetKind, ...]) -> Asset:
        """The asset of this name; InputError names what there is instead."""
        return call(lambda: assets.find(self._store(), name, kinds))

    def register(self, asset: Asset) -> Asset:
        """The asset is in the store, which is made when it is missing; see `fanout.records.assets.register`."""
        assets.check_name(asset.name, asset.version)

        async def begin() -> Asset:
            async with context.run_context_of(self.settings, print_line=_unsaid) as run_context:
                return await assets.register(run_context.store, replace(asset, created=run_context.clock.now()))

        return call(begin)

    def newest(self, kinds: tuple[AssetKind, ...] = tuple(AssetKind)) -> list[Asset]:
        """The newest version of every asset; none where there is no store yet."""
        return call(lambda: assets.list_assets(self._store(), kinds))

    def versions(self, kind: AssetKind, name: str) -> list[Asset]:
        """Every version of an asset, oldest first."""
        return call(lambda: assets.all_versions(self._store(), kind, name))

    def _store(self) -> "ObjectStore":
        from obstore.store import MemoryStore

        # A folder that does not exist holds no assets, and looking does not make it.
        return context.open_to_read(self.settings) if context.is_there(self.settings) else MemoryStore()


def _unsaid(line: str) -> None:
    """Where the store is, the command says itself."""
