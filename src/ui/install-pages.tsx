import type { Context } from "hono";
import { type ApiEnv, createApi, type Gate, guardedRoute } from "../http/gate.ts";
import type { Images } from "../images/service.ts";
import { installRequestSchema } from "../machines/api.ts";
import { keyOf, type MachineDesk } from "../machines/desk.ts";
import { queueInstall } from "../machines/routes.ts";
import { type Machine, machineRoles, operatingSystems } from "../machines/service.ts";
import { AppError } from "../platform/errors.ts";
import { readForm } from "./form.ts";
import type { Show } from "./frame.ts";
import {
  checkInstall,
  type InstallErrors,
  type InstallField,
  type InstallForm,
  specOf,
} from "./install-form.ts";
import { oneMachine } from "./machine-pages.tsx";
import { MachineState, machinePath, machinesPath } from "./machine-parts.tsx";
import { pageRoute, seeOther } from "./page.tsx";
import { Field } from "./parts.tsx";

export interface InstallPagesDeps {
  gate: Gate;
  show: Show;
  desk: MachineDesk;
  images: Images;
}

const path = "/ui/machines/{machine}/install";

/** Queues an install from a form that the API's own schema checks. */
export function createInstallPages({ gate, show, desk, images }: InstallPagesDeps) {
  const resource = (context: { req: { param(name: string): string | undefined } }) =>
    desk.resource(context.req.param("machine") ?? "");
  const page = (
    context: Context<ApiEnv>,
    machine: Machine,
    form: InstallForm,
    errors: InstallErrors,
    refusal?: AppError,
  ) =>
    show(
      context,
      {
        title: `Install ${machine.name ?? machine.mac}`,
        here: machinesPath,
        children: (
          <InstallPage machine={machine} images={images} form={form} errors={errors} refusal={refusal} />
        ),
      },
      refusal?.code === "conflict" ? 409 : refusal || Object.keys(errors).length > 0 ? 400 : 200,
    );
  return createApi()
    .openapi(
      guardedRoute(
        gate,
        "machines:install",
        { ...pageRoute("get", path, "The form for an install"), request: oneMachine },
        { resource, quiet: true },
      ),
      (context) => {
        const machine = desk.find(context.req.valid("param").machine);
        const [last] = desk.own(machine).installsOf(machine.mac);
        const before = last && { os: last.os, role: last.spec.role, domain: last.spec.domain ?? "" };
        return page(context, machine, { name: machine.name ?? "", ...before }, {});
      },
    )
    .openapi(
      guardedRoute(
        gate,
        "machines:install",
        { ...pageRoute("post", path, "Queues an install"), request: oneMachine },
        { resource, audited: true, list: true },
      ),
      async (context) => {
        const machine = desk.find(context.req.valid("param").machine);
        const form: InstallForm = await readForm(context);
        const errors = checkInstall(form);
        if (Object.keys(errors).length > 0) return page(context, machine, form, errors);
        const wanted = installRequestSchema.parse({ spec: specOf(form), replace: form.replace === "on" });
        try {
          await queueInstall(gate, desk, context.var.actor, keyOf(machine), wanted);
        } catch (error) {
          if (error instanceof AppError && (error.code === "invalid" || error.code === "conflict"))
            return page(context, machine, form, {}, error);
          throw error;
        }
        return seeOther(context, machinePath(keyOf(machine)));
      },
    );
}

function InstallPage({
  machine,
  images,
  form,
  errors,
  refusal,
}: {
  machine: Machine;
  images: Images;
  form: InstallForm;
  errors: InstallErrors;
  refusal: AppError | undefined;
}) {
  const text = (name: InstallField, label: string, hint?: string, more: Record<string, unknown> = {}) => (
    <Field
      name={name}
      label={label}
      {...(hint !== undefined && { hint })}
      error={errors[name]}
      control={(attributes) => (
        <input {...attributes} value={form[name] ?? ""} autocomplete="off" spellcheck={false} {...more} />
      )}
    />
  );
  const disks = images.list().filter(({ kind }) => kind === "disk");
  const replaces = machine.state.kind !== "discovered" && machine.state.kind !== "failed";
  return (
    <>
      <div class="head">
        <div>
          <h1>Install {machine.name ?? machine.mac}</h1>
          <p class="sub">
            <MachineState state={machine.state.kind} /> · <span class="mono">{machine.mac}</span> · its next
            network boot installs it
          </p>
        </div>
      </div>
      {refusal === undefined ? null : (
        <div class="errors" role="alert">
          <h2>It was not queued</h2>
          <p>{refusal.message}</p>
          {refusal.hint === undefined ? null : <p class="quiet">{refusal.hint}</p>}
        </div>
      )}
      {Object.keys(errors).length === 0 ? null : (
        <div class="errors" role="alert">
          <h2>It was not queued</h2>
          <p>Mend what is marked below.</p>
        </div>
      )}
      <form class="panel" method="post" action={`${machinePath(keyOf(machine))}/install`}>
        <div class="fields">
          {text("name", "Name", "The host name: a-z, digits and hyphens.", { required: true, maxlength: 63 })}
          {text("domain", "Domain", "Empty: none.")}
          <Field
            name="os"
            label="System"
            error={errors.os}
            control={(attributes) => (
              <select {...attributes}>
                <optgroup label="Disk images">
                  {disks.map(({ name }) => (
                    <option value={`image:${name}`} selected={form.os === `image:${name}`}>
                      {name}
                    </option>
                  ))}
                </optgroup>
                <optgroup label="From packages">
                  {operatingSystems.map(({ id }) => (
                    <option value={id} selected={form.os === id}>
                      {id}
                    </option>
                  ))}
                </optgroup>
              </select>
            )}
          />
          <Field
            name="role"
            label="Role"
            error={errors.role}
            control={(attributes) => (
              <select {...attributes}>
                {Object.values(machineRoles).map(({ name, description }) => (
                  <option value={name} selected={(form.role ?? "plain") === name}>
                    {`${name}: ${description}`}
                  </option>
                ))}
              </select>
            )}
          />
          {text("disk", "Disk", "A rule such as size>=100G or model=QEMU*; empty: its only disk that fits.")}
          {text("users", "Users", "Names, with blanks between; each may become root and has the keys below.")}
          <Field
            name="sshKeys"
            label="SSH keys"
            hint="One a line, for root and every user; those of the daemon's configuration come on top."
            error={errors.sshKeys}
            wide
            control={(attributes) => (
              <textarea {...attributes} rows={3} spellcheck={false}>
                {form.sshKeys ?? ""}
              </textarea>
            )}
          />
          {text(
            "rootPasswordHash",
            "Hash of root's password",
            "As mkpasswd -m sha512 prints it; empty: no password.",
          )}
          <Field
            name="network"
            label="Network"
            error={errors.network}
            control={(attributes) => (
              <select {...attributes}>
                <option value="dhcp">by DHCP</option>
                <option value="static" selected={form.network === "static"}>
                  static: see below
                </option>
              </select>
            )}
          />
          {text("address", "Static address", "With its prefix: 10.0.0.5/24.")}
          {text("gateway", "Gateway")}
          {text("dns", "Name servers")}
        </div>
        <div class="field">
          <label class="check">
            <input type="checkbox" name="wipe" checked={form.wipe === "on"} /> Destroy the data volume of an
            earlier install too
          </label>
          {replaces ? (
            <label class="check">
              <input type="checkbox" name="replace" checked={form.replace === "on"} />
              {` Give up what is there: it is ${machine.state.kind}`}
            </label>
          ) : null}
        </div>
        <div class="actions">
          <button class="primary" type="submit">
            Queue the install
          </button>
          <a class="button" href={machinePath(keyOf(machine))}>
            Back
          </a>
        </div>
      </form>
    </>
  );
}
