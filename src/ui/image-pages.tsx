import { createApi, type Gate, guardedRoute } from "../http/gate.ts";
import type { Images } from "../images/service.ts";
import { formatDisk } from "../platform/size.ts";
import type { Show } from "./frame.ts";
import { pageRoute } from "./page.tsx";
import { Table, Time } from "./parts.tsx";

export const imagesPath = "/ui/images";

/** What can be installed. */
export function createImagePages({ gate, show, images }: { gate: Gate; show: Show; images: Images }) {
  return createApi().openapi(
    guardedRoute(gate, "images:read", pageRoute("get", imagesPath, "Disk images and installers")),
    (context) =>
      show(context, {
        title: "Images",
        here: imagesPath,
        children: (
          <>
            <div class="head">
              <div>
                <h1>Images</h1>
                <p class="sub">Disk images and installers, the way machines get them.</p>
              </div>
            </div>
            <section class="panel flush">
              <Table
                label="Images"
                rows={images.list()}
                empty="There is none yet: labctl image pull, add or build."
                columns={[
                  { title: "Name", value: ({ name }) => name },
                  { title: "Kind", value: ({ kind }) => kind },
                  { title: "Size", number: true, value: ({ size }) => formatDisk(size) },
                  { title: "Unpacked", number: true, value: ({ rawSize }) => formatDisk(rawSize) },
                  { title: "Added", value: ({ addedAt }) => <Time at={addedAt} /> },
                  { title: "From", value: ({ source }) => source },
                  { title: "SHA-256", value: ({ sha256 }) => <code>{sha256.slice(0, 16)}</code> },
                ]}
              />
            </section>
          </>
        ),
      }),
  );
}
