import { groupView } from "../access/api.ts";
import { AppError } from "../platform/errors.ts";
import { at, type Client } from "./client.ts";
import { print } from "./output.ts";
import { defineRemoteCommand } from "./remote.ts";

const args = {
  group: { type: "positional", required: true, description: "the group's name" },
  user: { type: "positional", required: true, description: "the user's name" },
} as const;

export const addMember = defineRemoteCommand({
  summary: "put a user into a group; the first one makes it",
  example: "labctl auth add-member ops alice",
  args,
  run: async ({ group, user }, { client }) => {
    await changeMembers(client, group, (members) => [...members, user]);
    print(`user/${user} is in group/${group}; give it a role: labctl auth grant group/${group} operator`);
  },
});

export const removeMember = defineRemoteCommand({
  summary: "take a user out of a group; without any there is none",
  example: "labctl auth remove-member ops alice",
  args,
  run: async ({ group, user }, { client }) => {
    await changeMembers(client, group, (members) => members.filter((each) => each !== user));
    print(`user/${user} is not in group/${group}`);
  },
});

/** Changes what is there, however many others change it at the same time. */
async function changeMembers(
  client: Client,
  name: string,
  change: (members: string[]) => string[],
): Promise<void> {
  const group = client.v1.groups[":name"];
  for (let attempt = 1; ; attempt++) {
    const before = await group.$get(at({ name })).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "not-found") return undefined;
      throw error;
    });
    const members = before === undefined ? [] : groupView.parse(await before.json()).members;
    const tag = before?.headers.get("etag");
    const headers: Record<string, string> = tag ? { "if-match": tag } : { "if-none-match": "*" };
    try {
      await group.$put({ ...at({ name }), json: { members: change(members) } }, { headers });
      return;
    } catch (error) {
      if (!(error instanceof AppError && error.code === "stale") || attempt === 10) throw error;
    }
  }
}
